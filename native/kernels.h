// SPDX-License-Identifier: Apache-2.0
// What every kernel shares. The interface is plain C: pointers, counts and numbers, so that no header of any framework is needed.
#pragma once
#include <cstdint>

// Raised with every change of a signature or a layout below; binary.py asks for the same number.
#define BOXWRIGHT_INTERFACE 2

#define PUBLIC extern "C" __attribute__((visibility("default")))

// One binary for every x86-64: the loader picks the widest form that the processor knows. Floating-point contraction is off, so
// each form gives the same bits.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define MANY_WIDTHS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MANY_WIDTHS
#endif
