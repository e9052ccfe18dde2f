// SPDX-License-Identifier: Apache-2.0
// Which detection finds which label, and the area under the precision envelope. All images and classes in one pass.
#include "kernels.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace {

// Both let a value that is no number through, so that nothing is found by it.
template <typename Real> Real smaller(Real a, Real b) { return a < b || a != a ? a : b; }
template <typename Real> Real larger(Real a, Real b) { return a > b || a != a ? a : b; }

template <typename Real> Real overlap(const Real* a, const Real* b) {
    const Real width = larger(smaller(a[2], b[2]) - larger(a[0], b[0]), Real(0)), height = larger(smaller(a[3], b[3]) - larger(a[1], b[1]), Real(0));
    const Real intersection = width * height;
    const Real areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]);
    return intersection / (areas - intersection + Real(1e-7));
}

struct Group {
    int64_t begin, end;  // labels of one key, in `order`
};

template <typename Real>
void match(const Real* detections, const int64_t* detection_keys, int64_t num_detections, const Real* labels, const int64_t* label_keys, int64_t num_labels,
           const double* thresholds, int64_t num_thresholds, uint8_t* hits) {
    std::vector<int64_t> order(num_labels);
    for (int64_t i = 0; i < num_labels; i++) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return label_keys[a] < label_keys[b]; });
    std::unordered_map<int64_t, Group> groups;
    groups.reserve(num_labels);
    for (int64_t i = 0; i < num_labels; i++) {
        const auto place = groups.try_emplace(label_keys[order[i]], Group{i, i}).first;
        place->second.end = i + 1;
    }
    std::vector<uint8_t> taken(num_labels * num_thresholds, 0);
    for (int64_t d = 0; d < num_detections; d++) {
        const auto place = groups.find(detection_keys[d]);
        if (place == groups.end()) continue;
        int64_t best = -1;
        Real most = 0;
        for (int64_t i = place->second.begin; i < place->second.end; i++) {
            const Real iou = overlap(detections + 4 * d, labels + 4 * order[i]);
            if (iou > most) most = iou, best = order[i];
        }
        if (best < 0) continue;
        for (int64_t t = 0; t < num_thresholds; t++) {
            if (static_cast<double>(most) >= thresholds[t] && !taken[best * num_thresholds + t]) {
                taken[best * num_thresholds + t] = 1;
                hits[d * num_thresholds + t] = 1;
            }
        }
    }
}

}  // namespace

// `hits` (detections, thresholds) has to be zero. A detection takes its best label; the first detection of a label has it. Keys say what
// may be paired; detections of one key stand in order of falling confidence. `wide`: boxes are doubles, else floats.
PUBLIC void boxwright_match(const void* detections, const int64_t* detection_keys, int64_t num_detections, const void* labels, const int64_t* label_keys,
                            int64_t num_labels, int32_t wide, const double* thresholds, int64_t num_thresholds, uint8_t* hits) {
    if (wide)
        match(static_cast<const double*>(detections), detection_keys, num_detections, static_cast<const double*>(labels), label_keys, num_labels, thresholds,
              num_thresholds, hits);
    else
        match(static_cast<const float*>(detections), detection_keys, num_detections, static_cast<const float*>(labels), label_keys, num_labels, thresholds,
              num_thresholds, hits);
}

// The area under the precision envelope of one class at every threshold: trapezoids over the recalls of `grid`. `hits` are
// (count, thresholds), by falling confidence.
PUBLIC void boxwright_areas(const uint8_t* hits, int64_t count, int64_t num_thresholds, double num_labels, const double* grid, int64_t points,
                            double* areas) {
    std::vector<double> recall, best;
    for (int64_t t = 0; t < num_thresholds; t++) {
        // The envelope changes only where recall does: at a hit, and one detection before it.
        recall.assign(1, 0.0);
        best.assign(1, 1.0);
        int64_t found = 0;
        for (int64_t i = 0; i < count; i++) {
            const bool hit = hits[i * num_thresholds + t], next = i + 1 < count && hits[(i + 1) * num_thresholds + t];
            found += hit;
            if (hit || next || i + 1 == count || i == 0) {
                recall.push_back(static_cast<double>(found) / num_labels);
                best.push_back(static_cast<double>(found) / static_cast<double>(i + 1));
            }
        }
        recall.push_back(1.0);
        best.push_back(0.0);
        for (int64_t i = static_cast<int64_t>(best.size()) - 2; i >= 0; i--) best[i] = std::max(best[i], best[i + 1]);
        double area = 0, before = 0;
        size_t at = 0;  // the last corner whose recall is not beyond the point
        for (int64_t k = 0; k < points; k++) {
            const double x = grid[k];
            while (at + 1 < recall.size() && recall[at + 1] <= x) at++;
            double y = best[at];
            if (at + 1 < recall.size()) y += (best[at + 1] - best[at]) / (recall[at + 1] - recall[at]) * (x - recall[at]);
            if (k) area += (x - grid[k - 1]) * (y + before) / 2;
            before = y;
        }
        areas[t] = area;
    }
}
