/// The wire formats: generated from `testbed.proto` and `policy.proto` by `scripts/protos`.
#ifndef TESTBED_CWIRE_H
#define TESTBED_CWIRE_H
#include "policy.pb-c.h"
#include "testbed.pb-c.h"
#endif
