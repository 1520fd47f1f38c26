#ifndef CPT_H
#define CPT_H
#endif
