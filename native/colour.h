// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

// Two pictures blended into the first.
void blend(uint8_t* __restrict first, const uint8_t* __restrict second, int count, float share);

// Gains on hue, saturation and value, with the steps of 8-bit HSV: hue in 180 parts, the others in 256.
void recolour(const uint8_t* __restrict blue, const uint8_t* __restrict green, const uint8_t* __restrict red, int count, float gain_h, float gain_s,
              float gain_v, uint8_t* __restrict out_blue, uint8_t* __restrict out_green, uint8_t* __restrict out_red);
