/// Messages of a Perfetto trace, generated from trace.proto by scripts/protos.
#ifndef TESTBED_CPERFETTOTRACE_H
#define TESTBED_CPERFETTOTRACE_H

#include "trace.pb-c.h"

#endif
