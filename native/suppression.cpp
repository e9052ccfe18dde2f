// SPDX-License-Identifier: Apache-2.0
// Non-maximum suppression of one image, from the dense prediction to its detections.
//
// Candidates come off a heap, best first, and are compared with the survivors of their own class only; the walk ends at the last
// detection that is asked for. Every comparison is the float32 arithmetic of the plain version, in its order.
#include "kernels.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

struct Candidate {
    uint64_t key;  // sorts by falling score, then by position: a stable order
    int32_t row, category;
    bool operator<(const Candidate& other) const { return key < other.key; }
};

uint64_t key_of(float score, uint64_t position) {
    uint32_t bits;
    std::memcpy(&bits, &score, 4);
    bits = bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;  // rising with falling score
    return static_cast<uint64_t>(bits) << 32 | position;
}

// Survivors of one class, column by column.
struct Survivors {
    std::vector<float> x1, y1, x2, y2, area;
    void add(const float* box, float size) {
        x1.push_back(box[0]), y1.push_back(box[1]), x2.push_back(box[2]), y2.push_back(box[3]), area.push_back(size);
    }
};

MANY_WIDTHS bool any_over(const float* __restrict scores, int64_t count, float objectness, float limit) {
    int found = 0;
    for (int64_t k = 0; k < count; k++) found |= scores[k] * objectness > limit;
    return found != 0;
}

MANY_WIDTHS bool overlaps(const float* __restrict x1, const float* __restrict y1, const float* __restrict x2, const float* __restrict y2,
                          const float* __restrict area, int64_t count, float left, float top, float right, float bottom, float size, float limit) {
    int found = 0;
    for (int64_t k = 0; k < count; k++) {
        float width = std::min(right, x2[k]) - std::max(left, x1[k]), height = std::min(bottom, y2[k]) - std::max(top, y1[k]);
        width = width > 0.0f ? width : 0.0f;
        height = height > 0.0f ? height : 0.0f;
        const float intersection = width * height;
        found |= intersection / (area[k] + size - intersection) > limit;
    }
    return found != 0;
}

}  // namespace

struct Rules {
    float min_score, max_iou;
    int32_t multi_label, agnostic;
    float shift;  // pixels between classes; 0 compares classes as classes
    int32_t unused;
    int64_t max_candidates, max_det;
};

// `prediction` is (rows, 5 + classes): cx, cy, w, h, objectness, scores. `wanted` has a byte for every class. `out` takes max_det rows of
// x1, y1, x2, y2, score, class; `capped` what the limit on candidates left out. Returns the number of detections.
PUBLIC int64_t boxwright_suppress(const float* prediction, int64_t rows, int64_t classes, const uint8_t* wanted, const Rules* rules, float* out,
                                  int64_t* capped) {
    const int64_t columns = 5 + classes;
    const bool several = rules->multi_label && classes > 1;
    std::vector<Candidate> found;
    found.reserve(8192);
    for (int64_t row = 0; row < rows; row++) {
        const float* p = prediction + row * columns;
        const float objectness = p[4], *scores = p + 5;
        if (!(objectness > rules->min_score) || !any_over(scores, classes, objectness, rules->min_score)) continue;
        if (several) {
            for (int64_t k = 0; k < classes; k++) {
                const float score = scores[k] * objectness;
                if (score > rules->min_score && wanted[k]) found.push_back({key_of(score, found.size()), static_cast<int32_t>(row), static_cast<int32_t>(k)});
            }
            continue;
        }
        int64_t best = 0;
        bool sound = true;
        for (int64_t k = 0; k < classes; k++) {
            sound &= scores[k] == scores[k];
            if (scores[k] * objectness > scores[best] * objectness) best = k;
        }
        if (sound && wanted[best]) found.push_back({key_of(scores[best] * objectness, found.size()), static_cast<int32_t>(row), static_cast<int32_t>(best)});
    }
    const int64_t count = static_cast<int64_t>(found.size());
    *capped = std::max<int64_t>(count - rules->max_candidates, 0);
    if (*capped) {
        std::nth_element(found.begin(), found.begin() + rules->max_candidates, found.end());
        found.resize(rules->max_candidates);
    }
    const auto later = [](const Candidate& a, const Candidate& b) { return b < a; };
    std::make_heap(found.begin(), found.end(), later);
    const bool together = rules->agnostic || rules->shift != 0.0f;
    std::vector<Survivors> kept(together ? 1 : classes);
    int64_t number = 0;
    for (auto end = found.end(); end != found.begin() && number < rules->max_det; --end) {
        std::pop_heap(found.begin(), end, later);
        const Candidate& one = *(end - 1);
        const float* p = prediction + one.row * columns;
        const float half_w = p[2] / 2, half_h = p[3] / 2;
        const float box[4] = {p[0] - half_w, p[1] - half_h, p[0] + half_w, p[1] + half_h};
        const float shift = rules->agnostic ? 0.0f : static_cast<float>(one.category) * rules->shift;
        const float moved[4] = {box[0] + shift, box[1] + shift, box[2] + shift, box[3] + shift};
        const float size = (moved[2] - moved[0]) * (moved[3] - moved[1]);
        Survivors& rivals = kept[together ? 0 : one.category];
        if (overlaps(rivals.x1.data(), rivals.y1.data(), rivals.x2.data(), rivals.y2.data(), rivals.area.data(), static_cast<int64_t>(rivals.x1.size()),
                     moved[0], moved[1], moved[2], moved[3], size, rules->max_iou))
            continue;
        rivals.add(moved, size);
        float* to = out + 6 * number++;
        std::copy(box, box + 4, to);
        to[4] = p[5 + one.category] * p[4];
        to[5] = static_cast<float>(one.category);
    }
    return number;
}
