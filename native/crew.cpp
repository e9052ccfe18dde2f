// SPDX-License-Identifier: Apache-2.0
#include "crew.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace {

// Threads that sleep until there is work. Never torn down: at exit the process takes them with it.
class Crew {
  public:
    void run(int64_t pieces, int32_t threads, const std::function<void(int64_t)> &work) {
        std::lock_guard<std::mutex> turn(one_at_a_time);
        {
            std::lock_guard<std::mutex> hold(lock);
            while (static_cast<int32_t>(hired) < threads - 1) {
                std::thread([this, place = hired] { serve(place); }).detach();
                ++hired;
            }
            task = &work;
            total = pieces;
            next.store(0);
            wanted = threads - 1;
            busy = wanted;
            ++round;
        }
        wake.notify_all();
        take(work, pieces);
        std::unique_lock<std::mutex> hold(lock);
        done.wait(hold, [this] { return busy == 0; });
    }

  private:
    void serve(int32_t place) {
        int64_t seen = 0;
        for (;;) {
            std::unique_lock<std::mutex> hold(lock);
            wake.wait(hold, [&] { return round != seen && place < wanted; });
            seen = round;
            const auto *work = task;
            const int64_t pieces = total;
            hold.unlock();
            take(*work, pieces);
            hold.lock();
            if (--busy == 0) done.notify_one();
        }
    }

    void take(const std::function<void(int64_t)> &work, int64_t pieces) {
        for (int64_t piece = next.fetch_add(1); piece < pieces; piece = next.fetch_add(1)) work(piece);
    }

    std::mutex one_at_a_time, lock;
    std::condition_variable wake, done;
    const std::function<void(int64_t)> *task = nullptr;
    std::atomic<int64_t> next{0};
    int64_t total = 0, round = 0;
    int32_t hired = 0, wanted = 0, busy = 0;
};

} // namespace

void in_parallel(int64_t pieces, int32_t threads, const std::function<void(int64_t)> &work) {
    if (threads < 2 || pieces < 2) {
        for (int64_t piece = 0; piece < pieces; ++piece) work(piece);
        return;
    }
    static Crew *crew = new Crew; // not destroyed: its threads outlive every other thing
    crew->run(pieces, threads, work);
}
