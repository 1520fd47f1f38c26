/// The wire format: generated from `testbed.proto` by `scripts/protos`.
#ifndef TESTBED_CWIRE_H
#define TESTBED_CWIRE_H

#include "testbed.pb-c.h"

#endif
