// SPDX-License-Identifier: Apache-2.0
// Batch normalisation and SiLU in one pass each way, for bfloat16 features that lie side by side in memory: (rows, channels).
//
// The framework does one after the other and keeps what lies between them. Here only the input is kept, and what lies between is
// computed again. Sums are taken over fixed blocks of rows and added in their order: the bits do not depend on threads.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "crew.h"

namespace {

constexpr int64_t BLOCK = 2048; // rows whose sums are taken together: they stay in the second cache
constexpr int64_t LANES = 256;  // narrow rows are taken together until a line is so wide: the loop over a line is what becomes vectors
constexpr int64_t MOST_CHANNELS = 8192;

#define EVERY_LANE _Pragma("GCC ivdep")

using Half = uint16_t; // bfloat16: the upper half of a float

inline float wide(Half value) {
    const uint32_t bits = static_cast<uint32_t>(value) << 16;
    float out;
    std::memcpy(&out, &bits, sizeof out);
    return out;
}

inline Half narrow(float value) { // to the nearest, ties to even; NaN stays NaN
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return static_cast<Half>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

// The range that matters: 2^n by its bits, the rest by a polynomial; relative error below 2e-7.
inline float exponential(float x) {
    x = std::min(std::max(x, -87.0f), 88.0f);
    const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to a whole number
    const float shifted = x * 1.44269504f + magic;
    int32_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    const float n = shifted - magic;
    const float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
    float p = 1.98756912e-4f;
    p = p * r + 1.39819995e-3f;
    p = p * r + 8.33345205e-3f;
    p = p * r + 4.16657962e-2f;
    p = p * r + 1.66666657e-1f;
    p = p * r + 5.00000000e-1f;
    p = p * r * r + r + 1.0f;
    const int32_t power = (bits - 0x4b400000 + 127) << 23;
    float scale;
    std::memcpy(&scale, &power, sizeof scale);
    return p * scale;
}

inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// -- one block of lines each. A line is one row, or several narrow ones side by side, with its channels' numbers as often.

// Sums of the distances from `origin`, and of their squares.
MANY_WIDTHS void moments(const Half *__restrict x, int64_t lines, int64_t width, const float *__restrict origin, float *__restrict sum,
                         float *__restrict square) {
    for (int64_t row = 0; row < lines; ++row) {
        const Half *line = x + row * width;
        EVERY_LANE
        for (int64_t c = 0; c < width; ++c) {
            const float away = wide(line[c]) - origin[c];
            sum[c] += away;
            square[c] += away * away;
        }
    }
}

MANY_WIDTHS void activate(const Half *__restrict x, int64_t lines, int64_t width, const float *__restrict scale, const float *__restrict shift,
                          Half *__restrict y) {
    for (int64_t row = 0; row < lines; ++row) {
        const Half *line = x + row * width;
        Half *out = y + row * width;
        EVERY_LANE
        for (int64_t c = 0; c < width; ++c) {
            const float z = wide(line[c]) * scale[c] + shift[c];
            out[c] = narrow(z * sigmoid(z));
        }
    }
}

// The gradient before the activation, and its sums: alone, and times the distance from the mean.
MANY_WIDTHS void slopes(const Half *__restrict x, const Half *__restrict dy, int64_t lines, int64_t width, const float *__restrict scale,
                        const float *__restrict shift, const float *__restrict mean, Half *__restrict dz, float *__restrict sum,
                        float *__restrict product) {
    for (int64_t row = 0; row < lines; ++row) {
        const Half *line = x + row * width, *grad = dy + row * width;
        Half *out = dz + row * width;
        EVERY_LANE
        for (int64_t c = 0; c < width; ++c) {
            const float value = wide(line[c]);
            const float z = value * scale[c] + shift[c];
            const float s = sigmoid(z);
            const float slope = wide(grad[c]) * (s + z * (s - s * s));
            out[c] = narrow(slope);
            sum[c] += slope;
            product[c] += slope * (value - mean[c]);
        }
    }
}

// What normalisation makes of it, in its place: scale * (dz - even - (x - mean) * tilt).
MANY_WIDTHS void descend(const Half *__restrict x, int64_t lines, int64_t width, const float *__restrict scale, const float *__restrict slant,
                         const float *__restrict level, Half *__restrict dz) {
    for (int64_t row = 0; row < lines; ++row) {
        const Half *line = x + row * width;
        Half *out = dz + row * width;
        EVERY_LANE
        for (int64_t c = 0; c < width; ++c) out[c] = narrow(wide(out[c]) * scale[c] + wide(line[c]) * slant[c] + level[c]);
    }
}

// How features are cut: blocks of rows, and in them lines of several rows while those are narrow.
struct Cut {
    int64_t rows, channels, fold = 1;

    Cut(int64_t rows, int64_t channels) : rows(rows), channels(channels) {
        while (fold * channels < LANES && fold < BLOCK) fold *= 2;
    }
    int64_t blocks() const { return (rows + BLOCK - 1) / BLOCK; }
    int64_t width() const { return fold * channels; }
    int64_t size(int64_t block) const { return std::min(BLOCK, rows - block * BLOCK); }

    // Numbers by channel, repeated over a line.
    std::vector<float> repeated(const float *by_channel) const {
        std::vector<float> line(width());
        for (int64_t i = 0; i < width(); ++i) line[i] = by_channel[i % channels];
        return line;
    }

    // work(offset of the first row, lines, width), for the whole lines of a block and for the rows that are left.
    template <typename Work> void each(int64_t block, Work work) const {
        const int64_t whole = size(block) / fold, left = size(block) - whole * fold, at = block * BLOCK * channels;
        if (whole) work(at, whole, width());
        if (left) work(at + whole * width(), left, channels);
    }

    // Sums over a line added up by channel.
    void fold_into(const std::vector<float> &line, float *by_channel) const {
        for (int64_t c = 0; c < channels; ++c) {
            by_channel[c] = 0.0f;
            for (int64_t k = 0; k < fold; ++k) by_channel[c] += line[k * channels + c];
        }
    }
};

} // namespace

// y = SiLU(normalised x). Out: mean and 1 / deviation of every channel, and the unbiased variance for the running statistics.
PUBLIC int32_t boxwright_normalize_forward(const Half *x, int64_t rows, int64_t channels, const float *gamma, const float *beta, double epsilon, Half *y,
                                           float *mean, float *inverse, float *variance, int32_t threads) {
    if (rows < 2 || channels < 1 || channels > MOST_CHANNELS) return 1;
    const Cut cut(rows, channels);
    std::vector<float> sums(cut.blocks() * channels), squares(cut.blocks() * channels), first(channels), scale(channels), shift(channels);
    for (int64_t c = 0; c < channels; ++c) first[c] = wide(x[c]); // sums about a value that is there: large means cost no digits
    const auto origin = cut.repeated(first.data());
    in_parallel(cut.blocks(), threads, [&](int64_t block) {
        std::vector<float> sum(cut.width()), square(cut.width());
        cut.each(block, [&](int64_t at, int64_t lines, int64_t width) { moments(x + at, lines, width, origin.data(), sum.data(), square.data()); });
        cut.fold_into(sum, &sums[block * channels]);
        cut.fold_into(square, &squares[block * channels]);
    });
    const double share = 1.0 / static_cast<double>(rows);
    for (int64_t c = 0; c < channels; ++c) {
        double sum = 0, square = 0;
        for (int64_t block = 0; block < cut.blocks(); ++block) {
            sum += sums[block * channels + c];
            square += squares[block * channels + c];
        }
        const double spread = std::max(square - sum * sum * share, 0.0);
        mean[c] = static_cast<float>(first[c] + sum * share);
        inverse[c] = static_cast<float>(1.0 / std::sqrt(spread * share + epsilon));
        variance[c] = static_cast<float>(spread / static_cast<double>(rows - 1));
        scale[c] = gamma[c] * inverse[c];
        shift[c] = beta[c] - mean[c] * scale[c];
    }
    const auto scales = cut.repeated(scale.data()), shifts = cut.repeated(shift.data());
    in_parallel(cut.blocks(), threads, [&](int64_t block) {
        cut.each(block, [&](int64_t at, int64_t lines, int64_t width) { activate(x + at, lines, width, scales.data(), shifts.data(), y + at); });
    });
    return 0;
}

// Gradients of input, gamma and beta from that of y.
PUBLIC int32_t boxwright_normalize_backward(const Half *x, const Half *dy, int64_t rows, int64_t channels, const float *gamma, const float *beta,
                                            const float *mean, const float *inverse, Half *dx, float *dgamma, float *dbeta, int32_t threads) {
    if (rows < 2 || channels < 1 || channels > MOST_CHANNELS) return 1;
    const Cut cut(rows, channels);
    std::vector<float> sums(cut.blocks() * channels), products(cut.blocks() * channels), scale(channels), shift(channels), slant(channels), level(channels);
    for (int64_t c = 0; c < channels; ++c) {
        scale[c] = gamma[c] * inverse[c];
        shift[c] = beta[c] - mean[c] * scale[c];
    }
    const auto scales = cut.repeated(scale.data()), shifts = cut.repeated(shift.data()), means = cut.repeated(mean);
    in_parallel(cut.blocks(), threads, [&](int64_t block) {
        std::vector<float> sum(cut.width()), product(cut.width());
        cut.each(block, [&](int64_t at, int64_t lines, int64_t width) {
            slopes(x + at, dy + at, lines, width, scales.data(), shifts.data(), means.data(), dx + at, sum.data(), product.data());
        });
        cut.fold_into(sum, &sums[block * channels]);
        cut.fold_into(product, &products[block * channels]);
    });
    for (int64_t c = 0; c < channels; ++c) {
        double sum = 0, product = 0;
        for (int64_t block = 0; block < cut.blocks(); ++block) {
            sum += sums[block * channels + c];
            product += products[block * channels + c];
        }
        dbeta[c] = static_cast<float>(sum);
        dgamma[c] = static_cast<float>(product * inverse[c]);
        const double share = 1.0 / static_cast<double>(rows), tilt = product * inverse[c] * inverse[c] * share;
        slant[c] = static_cast<float>(-scale[c] * tilt);
        level[c] = static_cast<float>(scale[c] * (mean[c] * tilt - sum * share));
    }
    const auto slants = cut.repeated(slant.data()), levels = cut.repeated(level.data());
    in_parallel(cut.blocks(), threads, [&](int64_t block) {
        cut.each(block, [&](int64_t at, int64_t lines, int64_t width) {
            descend(x + at, lines, width, scales.data(), slants.data(), levels.data(), dx + at);
        });
    });
    return 0;
}
