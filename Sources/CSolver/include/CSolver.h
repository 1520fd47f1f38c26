// CLP and CBC without their C++ exceptions, which would end a program in Swift: each call answers whether it came to its end.
#ifndef CSOLVER_H
#define CSOLVER_H

// 0: done; 1: no memory; 2: the solver threw something else. After 1 or 2 the model is in no known state: it must not be used or deleted.
typedef int solver_outcome;

solver_outcome solver_clp_load(
    void *model, int columns, const double *lower, const double *upper, const double *costs, int rows, const double *row_lower,
    const double *row_upper, const int *row_starts, const int *row_columns, const double *coefficients);
solver_outcome solver_clp_initial_solve(void *model);
solver_outcome solver_clp_dual(void *model);
solver_outcome solver_clp_primal(void *model);

solver_outcome solver_cbc_load(
    void *model, int columns, int rows, const int *column_starts, const int *column_rows, const double *coefficients, const double *lower,
    const double *upper, const double *costs, const double *row_lower, const double *row_upper);
solver_outcome solver_cbc_solve(void *model);

#endif
