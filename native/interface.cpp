// SPDX-License-Identifier: Apache-2.0
#include "kernels.h"

PUBLIC int32_t boxwright_interface() { return BOXWRIGHT_INTERFACE; }
