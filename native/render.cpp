// SPDX-License-Identifier: Apache-2.0
// A training sample in one pass: tiles on a canvas, seen through a map, blended, recoloured, flipped, stored as planes.
//
// The canvas is never made. A run of output pixels whose four neighbours lie in one tile is sampled straight from that tile; the
// few pixels at seams and edges look up each neighbour. Coordinates are rounded to 1/64 pixel, weights are whole numbers.
#include "colour.h"
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr int FRACTION_BITS = 6;  // 1/64 pixel; 64 is also the largest weight that fits a signed byte together with its complement
constexpr int FRACTIONS = 1 << FRACTION_BITS;
constexpr int HALF = 1 << (2 * FRACTION_BITS - 1);
constexpr int ROWS_AHEAD = 4;  // how early memory is asked for: turned rows run across the tiles, which no processor foresees
constexpr double MARGIN = 2.0 / FRACTIONS;  // a run stays this far inside its tile, so that rounding cannot leave it

struct Tile {
    const uint8_t* pixels;  // BGR, interleaved
    int64_t stride;         // bytes from row to row
    int32_t height, width;
    int32_t x, y;                                    // where its first pixel lies on the canvas
    int32_t left, top, right, bottom;                // what of the canvas it fills
};

struct Scene {
    const Tile* tiles;
    int64_t num_tiles;
    double inverse[9];  // output pixel -> canvas pixel
};

struct Planes {
    std::vector<uint8_t> blue, green, red;
    explicit Planes(int width) : blue(width + 8), green(width + 8), red(width + 8) {}
};

struct Run {
    int begin, end;  // output columns
    bool empty() const { return begin >= end; }
};

// What a row has to know of the whole picture.
struct Page {
    int width;
    bool mirrored, wide;  // wide: by the instructions for several pixels at once
    uint8_t border;
    int place(int column) const { return mirrored ? width - 1 - column : column; }
};

// Where the sample of each column of a run begins, and its weights as pairs (near, far) in the order that the multiplications want.
struct Steps {
    std::vector<int32_t> at;
    std::vector<uint32_t> across;
    std::vector<uint16_t> down;
    Run straight{0, 0};  // columns whose steps of the row before hold, but for the row they start from
    explicit Steps(int width) : at(width), across(width), down(width) {}
};

// One row of the inverse map: canvas x = (ax * u + bx) / (aw * u + bw), y likewise.
struct Line {
    double ax, bx, ay, by, aw, bw, dx, dy;
    Line(const double* m, int row)
        : ax(m[0]), bx(m[1] * row + m[2]), ay(m[3]), by(m[4] * row + m[5]), aw(m[6]), bw(m[7] * row + m[8]), dx(m[1]), dy(m[4]) {}
    bool flat() const { return aw == 0.0 && bw == 1.0; }
    bool straight() const { return flat() && ay == 0.0 && dx == 0.0; }  // rows show rows, and columns columns
};

// Narrow [low, high] to the columns u with k * u + m >= 0.
void narrow(double k, double m, double& low, double& high) {
    if (k > 0) low = std::max(low, -m / k);
    else if (k < 0) high = std::min(high, -m / k);
    else if (!(m >= 0)) high = low - 1;
}

// The columns of a row whose canvas point lies in [x1, x2] x [y1, y2]; `side` is the sign of the denominator that is looked for.
Run columns_within(const Line& line, double side, double x1, double y1, double x2, double y2, int width) {
    double low = 0, high = width - 1;
    narrow(side * (line.ax - x1 * line.aw), side * (line.bx - x1 * line.bw), low, high);
    narrow(side * (x2 * line.aw - line.ax), side * (x2 * line.bw - line.bx), low, high);
    narrow(side * (line.ay - y1 * line.aw), side * (line.by - y1 * line.bw), low, high);
    narrow(side * (y2 * line.aw - line.ay), side * (y2 * line.bw - line.by), low, high);
    if (!line.flat()) narrow(side * line.aw, side * line.bw - 1e-9, low, high);
    if (!(low <= high)) return {0, 0};
    return {static_cast<int>(std::ceil(low)), static_cast<int>(std::floor(high)) + 1};
}

MANY_WIDTHS void prepare(int32_t* __restrict at, uint32_t* __restrict across, uint16_t* __restrict down, int first, int count,
                         float ax, float bx, float ay, float by, float aw, float bw, bool flat, int stride, int max_x, int max_y) {
    for (int i = 0; i < count; i++) {
        const float u = static_cast<float>(first + i);
        const float scale = flat ? static_cast<float>(FRACTIONS) : FRACTIONS / (aw * u + bw);
        int x = static_cast<int>((ax * u + bx) * scale + 0.5f);
        int y = static_cast<int>((ay * u + by) * scale + 0.5f);
        x = std::min(std::max(x, 0), max_x);  // never outside, whatever rounding does
        y = std::min(std::max(y, 0), max_y);
        const int fx = x & (FRACTIONS - 1), fy = y & (FRACTIONS - 1);
        at[i] = (y >> FRACTION_BITS) * stride + 3 * (x >> FRACTION_BITS);
        across[i] = static_cast<uint32_t>((FRACTIONS - fx) | (fx << 16));
        down[i] = static_cast<uint16_t>((FRACTIONS - fy) | (fy << 8));
    }
}

void sample_plain(const uint8_t* pixels, int64_t stride, const Steps& steps, int from, int to, int first, const Page& page, Planes& row) {
    for (int i = from; i < to; i++) {
        const uint8_t *upper = pixels + steps.at[i], *lower = upper + stride;
        const int near_x = steps.across[i] & 0xffff, far_x = steps.across[i] >> 16, near_y = steps.down[i] & 0xff, far_y = steps.down[i] >> 8;
        uint8_t* const planes[3] = {row.blue.data(), row.green.data(), row.red.data()};
        for (int c = 0; c < 3; c++) {
            const int left = upper[c] * near_y + lower[c] * far_y, right = upper[c + 3] * near_y + lower[c + 3] * far_y;
            planes[c][page.place(first + i)] = static_cast<uint8_t>((left * near_x + right * far_x + HALF) >> (2 * FRACTION_BITS));
        }
    }
}

#if defined(__x86_64__)

// Two pixels side by side, their four neighbours blended to 32 bits each: b g r 0, b g r 0.
__attribute__((target("avx2"))) inline __m256i two_pixels(const uint8_t* upper, const uint8_t* lower, const int32_t* at, __m256i down, __m256i across) {
    const auto both_rows = [&](int32_t start) __attribute__((target("avx2"))) {
        const __m128d above = _mm_load_sd(reinterpret_cast<const double*>(upper + start));
        return _mm_castpd_si128(_mm_loadh_pd(above, reinterpret_cast<const double*>(lower + start)));
    };
    const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(both_rows(at[0])), both_rows(at[1]), 1);
    // Above and below by turns, in the order b b' g g' r r' of a pixel and its neighbour to the right.
    const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 8, 3, 11, 1, 9, 4, 12, 2, 10, 5, 13, -1, -1, -1, -1));
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_shuffle_epi8(bytes, order), down), across);
}

// Eight pixels at a time; the same whole numbers as above.
__attribute__((target("avx2"))) int sample_wide(const uint8_t* pixels, int64_t stride, const Steps& steps, int count, int first,
                                                int64_t ahead, const Page& page, Planes& row) {
    const __m256i half = _mm256_set1_epi32(HALF);
    // From the weights of two pixels to those of one in each half of a register.
    const __m256i of_rows = _mm256_setr_m128i(_mm_set1_epi16(0x0100), _mm_set1_epi16(0x0302));
    const __m256i of_columns = _mm256_setr_m128i(_mm_set1_epi32(0x03020100), _mm_set1_epi32(0x07060504));
    const __m256i to_planes = _mm256_broadcastsi128_si256(page.mirrored ? _mm_setr_epi8(12, 8, 4, 0, 13, 9, 5, 1, 14, 10, 6, 2, 15, 11, 7, 3)
                                                                        : _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    int i = 0;
    for (; i + 8 <= count; i += 8) {
        _mm_prefetch(reinterpret_cast<const char*>(pixels + steps.at[i] + ahead), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(pixels + steps.at[i + 4] + ahead), _MM_HINT_T0);
        __m256i found[4];
        for (int k = 0; k < 4; k++) {
            const int at = i + 2 * k;
            int32_t near_far;
            int64_t left_right;
            std::memcpy(&near_far, &steps.down[at], 4);
            std::memcpy(&left_right, &steps.across[at], 8);
            const __m256i down = _mm256_shuffle_epi8(_mm256_set1_epi32(near_far), of_rows);
            const __m256i across = _mm256_shuffle_epi8(_mm256_set1_epi64x(left_right), of_columns);
            const __m256i sum = two_pixels(pixels, pixels + stride, &steps.at[at], down, across);
            found[k] = _mm256_srai_epi32(_mm256_add_epi32(sum, half), 2 * FRACTION_BITS);
        }
        // Even pixels lie in the lower half now, odd ones in the upper.
        const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(found[0], found[1]), _mm256_packs_epi32(found[2], found[3]));
        const __m256i planes = _mm256_shuffle_epi8(bytes, to_planes);
        const __m128i even = _mm256_castsi256_si128(planes), odd = _mm256_extracti128_si256(planes, 1);
        const __m128i first_in = page.mirrored ? odd : even, second_in = page.mirrored ? even : odd;
        const __m128i blue_green = _mm_unpacklo_epi8(first_in, second_in), red = _mm_unpackhi_epi8(first_in, second_in);
        const int column = page.mirrored ? page.width - 8 - (first + i) : first + i;
        _mm_storel_epi64(reinterpret_cast<__m128i*>(row.blue.data() + column), blue_green);
        _mm_storeh_pd(reinterpret_cast<double*>(row.green.data() + column), _mm_castsi128_pd(blue_green));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(row.red.data() + column), red);
    }
    return i;
}

#endif

void sample_run(const Tile& tile, const Line& line, Run run, const Page& page, Steps& steps, Planes& row) {
    const float aw = static_cast<float>(line.aw), bw = static_cast<float>(line.bw);
    const float ax = static_cast<float>(line.ax - tile.x * line.aw), bx = static_cast<float>(line.bx - tile.x * line.bw);
    const float ay = static_cast<float>(line.ay - tile.y * line.aw), by = static_cast<float>(line.by - tile.y * line.bw);
    const int count = run.end - run.begin, max_x = (tile.width - 2) * FRACTIONS - 1, max_y = (tile.height - 1) * FRACTIONS - 1;
    const bool straight = line.straight();
    if (!straight || steps.straight.begin != run.begin || steps.straight.end != run.end)
        prepare(steps.at.data(), steps.across.data(), steps.down.data(), run.begin, count, ax, bx, straight ? 0.0f : ay, straight ? 0.0f : by, aw, bw,
                line.flat(), static_cast<int>(tile.stride), max_x, max_y);
    steps.straight = straight ? run : Run{0, 0};
    const uint8_t* origin = tile.pixels;
    if (straight) {
        const int y = std::min(std::max(static_cast<int>(by * FRACTIONS + 0.5f), 0), max_y), fy = y & (FRACTIONS - 1);
        origin += (y >> FRACTION_BITS) * tile.stride;
        std::fill_n(steps.down.begin(), count, static_cast<uint16_t>((FRACTIONS - fy) | (fy << 8)));
    }
    int done = 0;
    const int64_t ahead = tile.stride * static_cast<int64_t>(ROWS_AHEAD * line.dy) + 3 * static_cast<int64_t>(ROWS_AHEAD * line.dx);
#if defined(__x86_64__)
    if (page.wide) done = sample_wide(origin, tile.stride, steps, count, run.begin, ahead, page, row);
#endif
    sample_plain(origin, tile.stride, steps, done, count, run.begin, page, row);
}

// One pixel of the canvas, wherever it comes from.
const uint8_t* pixel_of_canvas(const Scene& scene, int x, int y, const uint8_t* border) {
    for (int64_t t = scene.num_tiles - 1; t >= 0; t--) {
        const Tile& tile = scene.tiles[t];
        if (x >= tile.left && x < tile.right && y >= tile.top && y < tile.bottom) return tile.pixels + (y - tile.y) * tile.stride + 3 * (x - tile.x);
    }
    return border;
}

// The nearest whole number; what is far outside any canvas, or no number, stays there.
int nearest(double value) {
    constexpr double limit = 1 << 30;
    if (!(value > -limit && value < limit)) return -(1 << 30);
    const int towards_zero = static_cast<int>(value + 0.5);
    return towards_zero - (towards_zero > value + 0.5);
}

void sample_carefully(const Scene& scene, const Line& line, Run run, const Page& page, Planes& row) {
    const uint8_t empty[3] = {page.border, page.border, page.border};
    const bool flat = line.flat();
    for (int u = run.begin; u < run.end; u++) {
        const double scale = flat ? FRACTIONS : FRACTIONS / (line.aw * u + line.bw);
        const int x = nearest((line.ax * u + line.bx) * scale), y = nearest((line.ay * u + line.by) * scale);
        const int x0 = x >> FRACTION_BITS, y0 = y >> FRACTION_BITS, fx = x & (FRACTIONS - 1), fy = y & (FRACTIONS - 1);
        const uint8_t *a = pixel_of_canvas(scene, x0, y0, empty), *b = pixel_of_canvas(scene, x0 + 1, y0, empty);
        const uint8_t *c = pixel_of_canvas(scene, x0, y0 + 1, empty), *d = pixel_of_canvas(scene, x0 + 1, y0 + 1, empty);
        uint8_t* const planes[3] = {row.blue.data(), row.green.data(), row.red.data()};
        for (int k = 0; k < 3; k++) {
            const int left = a[k] * (FRACTIONS - fy) + c[k] * fy, right = b[k] * (FRACTIONS - fy) + d[k] * fy;
            planes[k][page.place(u)] = static_cast<uint8_t>((left * (FRACTIONS - fx) + right * fx + HALF) >> (2 * FRACTION_BITS));
        }
    }
}

// What of a row its tiles reach, and what of that was drawn the fast way.
struct Reach {
    std::vector<Run> touched, inner;
    void clear() { touched.clear(), inner.clear(); }
    void sort() {
        const auto by_begin = [](const Run& a, const Run& b) { return a.begin < b.begin; };
        std::sort(touched.begin(), touched.end(), by_begin);
        std::sort(inner.begin(), inner.end(), by_begin);
    }
};

// The pixels of a row that are touched by a tile and not drawn yet, each once: those at seams are touched by two.
void sample_rest(const Scene& scene, const Line& line, Reach& reach, const Page& page, Planes& row) {
    reach.sort();
    reach.inner.push_back({page.width, page.width});
    int done = 0;
    for (const Run& inner : reach.inner) {
        for (const Run& touched : reach.touched) {
            const Run rest{std::max(done, touched.begin), std::min(inner.begin, touched.end)};
            if (rest.empty()) continue;
            sample_carefully(scene, line, rest, page, row);
            done = rest.end;
        }
        done = std::max(done, inner.end);
    }
}

// One row of a scene; returns the positions that show more than border.
Run draw_row(const Scene& scene, int v, const Page& page, std::vector<Steps>& steps, Reach& reach, Planes& row) {
    for (auto* plane : {&row.blue, &row.green, &row.red}) std::memset(plane->data(), page.border, page.width);
    const Line line(scene.inverse, v);
    Run drawn{page.width, 0};
    reach.clear();
    for (int64_t t = 0; t < scene.num_tiles; t++) {
        const Tile& tile = scene.tiles[t];
        for (const double side : {1.0, -1.0}) {
            if (side < 0 && line.flat()) break;
            Run touched = columns_within(line, side, tile.left - 1, tile.top - 1, tile.right, tile.bottom, page.width);
            if (touched.empty()) continue;
            touched = {std::max(touched.begin - 1, 0), std::min(touched.end + 1, page.width)};
            reach.touched.push_back(touched);
            drawn = {std::min(drawn.begin, touched.begin), std::max(drawn.end, touched.end)};
            // A fast sample reads eight bytes, two beyond its second pixel: the last column of an image is left to the careful way.
            const double right = std::min(tile.right - 1, tile.x + tile.width - 2) - MARGIN, bottom = tile.bottom - 1 - MARGIN;
            const Run inner = columns_within(line, side, tile.left + MARGIN, tile.top + MARGIN, right, bottom, page.width);
            if (inner.empty()) continue;
            sample_run(tile, line, inner, page, steps[t], row);
            reach.inner.push_back(inner);
        }
    }
    sample_rest(scene, line, reach, page, row);
    if (drawn.empty()) return {0, 0};
    return page.mirrored ? Run{page.width - drawn.end, page.width - drawn.begin} : drawn;
}

}  // namespace

struct Look {
    float share;                    // of the first scene in a blend of two
    float gain_h, gain_s, gain_v;   // all 1: colours stay as they are
    int32_t flip_up_down, flip_left_right;
    int32_t border;
    int32_t plain;  // 1: only portable instructions, to prove that the others say the same
};

// `out` is three planes, red first, of height x width.
PUBLIC void boxwright_render(const Scene* scenes, int64_t num_scenes, const Look* look, int32_t height, int32_t width, uint8_t* out) {
    bool wide = false;
#if defined(__x86_64__)
    wide = !look->plain && __builtin_cpu_supports("avx2");
#endif
    const Page page{width, look->flip_left_right != 0, wide, static_cast<uint8_t>(look->border)};
    const bool coloured = look->gain_h != 1.0f || look->gain_s != 1.0f || look->gain_v != 1.0f;
    uint8_t outside[3] = {page.border, page.border, page.border};  // blue, green, red of what shows no image
    if (coloured)
        recolour(&page.border, &page.border, &page.border, 1, look->gain_h, look->gain_s, look->gain_v, &outside[0], &outside[1], &outside[2]);
    const int64_t plane = static_cast<int64_t>(height) * width;
    Planes row(width), other(width);
    Reach reach;
    std::vector<std::vector<Steps>> steps;  // of every tile of every scene
    for (int64_t i = 0; i < num_scenes; i++) steps.emplace_back(scenes[i].num_tiles, Steps(width));
    for (int v = 0; v < height; v++) {
        Run drawn = draw_row(scenes[0], v, page, steps[0], reach, row);
        if (num_scenes > 1) {
            draw_row(scenes[1], v, page, steps[1], reach, other);
            drawn = {0, width};
            blend(row.blue.data(), other.blue.data(), width, look->share);
            blend(row.green.data(), other.green.data(), width, look->share);
            blend(row.red.data(), other.red.data(), width, look->share);
        }
        uint8_t* const red = out + static_cast<int64_t>(look->flip_up_down ? height - 1 - v : v) * width;
        uint8_t* const to[3] = {red + 2 * plane, red + plane, red};
        const std::vector<uint8_t>* const of[3] = {&row.blue, &row.green, &row.red};
        const int begin = drawn.begin, count = drawn.end - drawn.begin;
        for (int c = 0; c < 3; c++) {
            std::memset(to[c], outside[c], begin);
            std::memset(to[c] + drawn.end, outside[c], width - drawn.end);
            if (!coloured) std::memcpy(to[c] + begin, of[c]->data() + begin, count);
        }
        if (coloured)
            recolour(row.blue.data() + begin, row.green.data() + begin, row.red.data() + begin, count, look->gain_h, look->gain_s, look->gain_v,
                     to[0] + begin, to[1] + begin, to[2] + begin);
    }
}
