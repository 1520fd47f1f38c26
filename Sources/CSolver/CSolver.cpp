extern "C" {
#include "CSolver.h"
}

#include <coin/Cbc_C_Interface.h>
#include <coin/Clp_C_Interface.h>
#include <new>
#include <vector>

namespace {

template <typename Body> solver_outcome guarded(Body body) {
    try {
        body();
        return 0;
    } catch (const std::bad_alloc &) {
        return 1;
    } catch (...) {
        return 2;
    }
}

}  // namespace

extern "C" {

solver_outcome solver_clp_load(
    void *model, int columns, const double *lower, const double *upper, const double *costs, int rows, const double *row_lower,
    const double *row_upper, const int *row_starts, const int *row_columns, const double *coefficients) {
    return guarded([&] {
        // Columns first, empty; then rows, which name them.
        std::vector<int> starts(static_cast<size_t>(columns) + 1, 0);
        Clp_loadProblem(model, columns, 0, starts.data(), nullptr, nullptr, lower, upper, costs, nullptr, nullptr);
        if (rows > 0) Clp_addRows(model, rows, row_lower, row_upper, row_starts, row_columns, coefficients);
    });
}

solver_outcome solver_clp_initial_solve(void *model) {
    return guarded([&] { Clp_initialSolve(model); });
}

solver_outcome solver_clp_dual(void *model) {
    return guarded([&] { Clp_dual(model, 0); });
}

solver_outcome solver_clp_primal(void *model) {
    return guarded([&] { Clp_primal(model, 0); });
}

solver_outcome solver_cbc_load(
    void *model, int columns, int rows, const int *column_starts, const int *column_rows, const double *coefficients, const double *lower,
    const double *upper, const double *costs, const double *row_lower, const double *row_upper) {
    return guarded([&] {
        Cbc_loadProblem(
            static_cast<Cbc_Model *>(model), columns, rows, column_starts, column_rows, coefficients, lower, upper, costs, row_lower, row_upper);
        for (int column = 0; column < columns; column++) Cbc_setInteger(static_cast<Cbc_Model *>(model), column);
    });
}

solver_outcome solver_cbc_solve(void *model) {
    return guarded([&] { Cbc_solve(static_cast<Cbc_Model *>(model)); });
}

}  // extern "C"
