// SPDX-License-Identifier: Apache-2.0
// Label files that are sound from the first to the last byte. Whatever is not is left to the reader that can explain it.
#include "kernels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

namespace {

constexpr int BOX_COLUMNS = 5, MIN_POLYGON_COLUMNS = 7;
constexpr double LARGEST_CLASS = 2147483647.0;

// The numbers of one line; false for anything but plain numbers with blanks between them.
bool read_line(const char*& at, const char* end, std::vector<double>& values) {
    values.clear();
    while (at < end && *at != '\n') {
        if (*at == ' ' || *at == '\t' || (*at == '\r' && at + 1 < end && at[1] == '\n')) {
            at++;
            continue;
        }
        double value = 0;
        const auto read = std::from_chars(at, end, value);
        if (read.ec != std::errc() || !std::isfinite(value)) return false;
        at = read.ptr;
        if (at < end && *at != ' ' && *at != '\t' && *at != '\n' && *at != '\r') return false;
        values.push_back(value == 0 ? 0.0 : value);  // no negative zero: it would make equal rows look different
    }
    if (at < end) at++;
    return true;
}

double clipped(double value) { return std::min(std::max(value, 0.0), 1.0); }

uint64_t digest_of(const std::vector<double>& values) {
    uint64_t digest = 1469598103934665603ull ^ values.size();
    for (const double value : values) {
        uint64_t bits;
        std::memcpy(&bits, &value, 8);
        digest = (digest ^ bits) * 1099511628211ull;
        digest ^= digest >> 29;
    }
    return digest;
}

}  // namespace

// Classes, boxes (cx, cy, w, h) and outlines of a file; `first_point[i + 1]` is where the points of row i end. Returns the number
// of rows, or -1 for a file that somebody has to look at. `rounding` is how far out a coordinate may be and still count as inside.
PUBLIC int64_t boxwright_labels(const char* content, int64_t length, double rounding, int32_t* classes, float* boxes, int64_t* first_point, float* points) {
    const char *at = content, *end = content + length;
    std::vector<double> values;
    std::vector<uint64_t> digests;
    int64_t rows = 0;
    first_point[0] = 0;
    while (at < end) {
        if (!read_line(at, end, values)) return -1;
        if (values.empty()) continue;
        const int64_t count = static_cast<int64_t>(values.size());
        const bool box = count == BOX_COLUMNS;
        if (!box && (count < MIN_POLYGON_COLUMNS || count % 2 == 0)) return -1;
        if (values[0] != std::floor(values[0]) || values[0] < 0 || values[0] > LARGEST_CLASS) return -1;
        double low[2], high[2];
        for (int axis = 0; axis < 2; axis++) {
            if (box) {
                const double half = values[3 + axis] / 2;
                low[axis] = values[1 + axis] - half;
                high[axis] = values[1 + axis] + half;
            } else {
                low[axis] = high[axis] = values[1 + axis];
                for (int64_t k = 3 + axis; k < count; k += 2) {
                    low[axis] = std::min(low[axis], values[k]);
                    high[axis] = std::max(high[axis], values[k]);
                }
            }
            if (!(high[axis] > low[axis]) || low[axis] < -rounding || high[axis] > 1 + rounding) return -1;
            const double from = clipped(low[axis]), to = clipped(high[axis]);
            boxes[4 * rows + axis] = static_cast<float>((from + to) / 2);
            boxes[4 * rows + 2 + axis] = static_cast<float>(to - from);
        }
        classes[rows] = static_cast<int32_t>(values[0]);
        int64_t point = first_point[rows];
        if (!box) {
            for (int64_t k = 1; k < count; k++) points[2 * point + k - 1] = static_cast<float>(clipped(values[k]));
            point += (count - 1) / 2;
        }
        first_point[++rows] = point;
        digests.push_back(digest_of(values));
    }
    std::sort(digests.begin(), digests.end());
    if (std::adjacent_find(digests.begin(), digests.end()) != digests.end()) return -1;  // a repeated row, most likely
    return rows;
}
