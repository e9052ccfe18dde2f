// SPDX-License-Identifier: Apache-2.0
// Compiled under the promise that no value is infinite or no number, so that maxima become one instruction. All of them come from bytes.
#include "colour.h"

#include <algorithm>
#include <cmath>

#include "kernels.h"

MANY_WIDTHS void blend(uint8_t* __restrict first, const uint8_t* __restrict second, int count, float share) {
    for (int i = 0; i < count; i++) first[i] = static_cast<uint8_t>(static_cast<int>(first[i] * share + second[i] * (1.0f - share) + 0.5f));
}

MANY_WIDTHS void recolour(const uint8_t* __restrict blue, const uint8_t* __restrict green, const uint8_t* __restrict red, int count, float gain_h,
                          float gain_s, float gain_v, uint8_t* __restrict out_blue, uint8_t* __restrict out_green, uint8_t* __restrict out_red) {
    for (int i = 0; i < count; i++) {
        const float b = blue[i], g = green[i], r = red[i];
        const float v = std::max(r, std::max(g, b)), d = v - std::min(r, std::min(g, b));
        float h = v == r ? g - b : (v == g ? b - r + 2.0f * d : r - g + 4.0f * d);
        h = static_cast<float>(static_cast<int>(h * (30.0f / std::max(d, 1.0f)) + 32.5f) - 32);
        h = h < 0.0f ? h + 180.0f : h;
        h *= gain_h;
        h = h >= 180.0f ? h - 180.0f : h;
        h = static_cast<float>(static_cast<int>(h)) * (1.0f / 30.0f);
        float s = static_cast<float>(static_cast<int>(255.0f * d / std::max(v, 1.0f) + 0.5f));
        s = static_cast<float>(static_cast<int>(std::min(s * gain_s, 255.0f))) * (1.0f / 255.0f);
        const float bright = static_cast<float>(static_cast<int>(std::min(v * gain_v, 255.0f))), chroma = bright * s;
        const float less_r = std::min(std::max(2.0f - std::fabs(h - 3.0f), 0.0f), 1.0f);
        const float less_g = std::min(std::max(std::fabs(h - 2.0f) - 1.0f, 0.0f), 1.0f);
        const float less_b = std::min(std::max(std::fabs(h - 4.0f) - 1.0f, 0.0f), 1.0f);
        out_blue[i] = static_cast<uint8_t>(static_cast<int>(bright - chroma * less_b + 0.5f));
        out_green[i] = static_cast<uint8_t>(static_cast<int>(bright - chroma * less_g + 0.5f));
        out_red[i] = static_cast<uint8_t>(static_cast<int>(bright - chroma * less_r + 0.5f));
    }
}
