// SPDX-License-Identifier: Apache-2.0
// Pieces of work on a few threads that wait between calls. Which thread does which piece is not said: results must not depend on it.
#pragma once
#include <cstdint>
#include <functional>

// Does work(0) .. work(pieces - 1) on at most so many threads, the caller's included; returns when all are done.
void in_parallel(int64_t pieces, int32_t threads, const std::function<void(int64_t)> &work);
