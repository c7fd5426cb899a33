import { assert, describe, it } from "@effect/vitest"
import * as RateMirror from "../../../src/middleware/governor/internal/rateMirror.ts"

const perMinute = (configured?: number) => RateMirror.make({ unit: "requests", period: "minute", configured })

/** Sends a request, and returns what had been sent by then. */
const send = (mirror: RateMirror.RateMirror, at: number, cost = 1): number => {
  RateMirror.advance(mirror, at, 1)
  RateMirror.spend(mirror, cost, at)
  return mirror.spent
}

const hear = (
  mirror: RateMirror.RateMirror,
  at: number,
  [limit, remaining, resetMillis = 0]: readonly [limit: number, remaining: number, resetMillis?: number],
  [sentAt, spent]: readonly [sentAt: number, spent: number]
) => {
  RateMirror.advance(mirror, at, 1)
  RateMirror.observe(mirror, { limit, remaining, resetMillis }, sentAt, spent)
}

/** Sends as fast as the mirror allows from one time to another, and returns how often. */
const sendAll = (mirror: RateMirror.RateMirror, from: number, to: number, cost = 1): number => {
  let count = 0
  for (let at = from; at < to;) {
    RateMirror.advance(mirror, at, 1)
    const wait = RateMirror.wait(mirror, cost)
    if (wait === 0) {
      RateMirror.spend(mirror, cost, at)
      count++
    } else at += wait
  }
  return count
}

describe("rateMirror", () => {
  it("limits nothing while no limit is known", () => {
    const mirror = perMinute()
    assert.strictEqual(RateMirror.limit(mirror), Infinity)
    assert.isUndefined(RateMirror.remaining(mirror))
    for (let i = 0; i < 1000; i++) {
      RateMirror.advance(mirror, 0, 1)
      assert.strictEqual(RateMirror.wait(mirror, 1e6), 0)
      RateMirror.spend(mirror, 1e6, 0)
    }
  })

  it("sends a quarter of a second's requests at once, and then at the pace of the limit", () => {
    const mirror = perMinute(6000)
    assert.strictEqual(sendAll(mirror, 0, 1), 25)
    assert.strictEqual(sendAll(mirror, 1, 60_001), 6000)
  })

  it("uses a share of the pace", () => {
    const mirror = perMinute(60)
    RateMirror.advance(mirror, 0, 0.5)
    RateMirror.spend(mirror, 1, 0)
    assert.strictEqual(RateMirror.wait(mirror, 1), 2000)
  })

  it("lets a large request overdraw the bucket, and pays it back", () => {
    const mirror = perMinute(60)
    send(mirror, 0, 10)
    assert.strictEqual(RateMirror.wait(mirror, 10), 10_000)
  })

  it("applies the smaller of the two limits", () => {
    const mirror = perMinute(100)
    hear(mirror, 0, [60, 59], [0, send(mirror, 0)])
    assert.strictEqual(RateMirror.limit(mirror), 60)
    hear(mirror, 1, [600, 599], [1, send(mirror, 1)])
    assert.strictEqual(RateMirror.limit(mirror), 100)
  })

  describe("reports", () => {
    it("of requests sent before the last one heard of are ignored", () => {
      const mirror = perMinute(6000)
      const early = send(mirror, 0)
      const late = send(mirror, 10)
      hear(mirror, 500, [6000, 3000], [10, late])
      const known = RateMirror.remaining(mirror)
      hear(mirror, 500, [6000, 6000], [0, early])
      assert.strictEqual(RateMirror.remaining(mirror), known)
      hear(mirror, 500, [60, 0], [0, early])
      assert.strictEqual(RateMirror.limit(mirror), 6000)
    })

    it("of the same request a second time are ignored", () => {
      const mirror = perMinute(6000)
      const spent = send(mirror, 0)
      hear(mirror, 0, [6000, 3000], [0, spent])
      hear(mirror, 0, [6000, 10], [0, spent])
      assert.strictEqual(RateMirror.remaining(mirror), 3000)
    })

    it("are carried forward to the present, less what was sent since", () => {
      const mirror = perMinute(6000)
      const spent = send(mirror, 0)
      for (let i = 0; i < 10; i++) send(mirror, 5)
      hear(mirror, 100, [6000, 3000], [0, spent])
      assert.strictEqual(RateMirror.remaining(mirror), 3000 + 10 - 10)
    })

    it("of a low level slow the pace until a reserve of 5 % is there", () => {
      const mirror = perMinute(6000)
      hear(mirror, 0, [6000, 0], [0, send(mirror, 0)])
      const slow = sendAll(mirror, 0, 5000)
      assert.isBelow(slow, 450)
      sendAll(mirror, 5000, 60_000)
      assert.isAtLeast(RateMirror.remaining(mirror)!, 250)
    })

    it("of an empty bucket hold up a request until it has refilled", () => {
      const mirror = RateMirror.make({ unit: "tokens", period: "minute" })
      hear(mirror, 0, [60_000, 0], [0, send(mirror, 0, 100)])
      RateMirror.advance(mirror, 0, 1)
      // One token a millisecond
      assert.strictEqual(RateMirror.wait(mirror, 5000), 5000)
      assert.strictEqual(RateMirror.wait(mirror, 100_000), 54_000)
      RateMirror.advance(mirror, 5000, 1)
      assert.strictEqual(RateMirror.wait(mirror, 5000), 0)
    })

    it("of a high level in a bucket that is really as deep raise the pace", () => {
      const mirror = perMinute()
      hear(mirror, 0, [6000, 5999], [0, send(mirror, 0)])
      assert.isTrue(mirror.isDeep)
      assert.isAbove(sendAll(mirror, 0, 1000), 200)
    })

    it("of a limit that is enforced by the second do not raise the pace", () => {
      const mirror = perMinute()
      // One request took as much as sixty would.
      hear(mirror, 0, [6000, 5940], [0, send(mirror, 0)])
      assert.isFalse(mirror.isDeep)
      assert.isAtMost(sendAll(mirror, 0, 1000), 101)
    })

    it("do not raise the pace above the limit that the user set", () => {
      const mirror = perMinute(600)
      hear(mirror, 0, [6000, 5999], [0, send(mirror, 0)])
      assert.isAtMost(sendAll(mirror, 0, 1000), 12)
    })

    it("of a lower limit raise the pace to the one that the user set at most", () => {
      const mirror = perMinute(7200)
      hear(mirror, 0, [6000, 5999], [0, send(mirror, 0)])
      const count = sendAll(mirror, 0, 10_000)
      assert.isTrue(count > 1050 && count <= 1230, String(count))
    })

    it("show what others use", () => {
      const mirror = perMinute(6000)
      let level = 3000
      for (let at = 0; at < 30_000; at += 100) {
        // Others take half of the 10 that the bucket gains in 100 milliseconds.
        const spent = send(mirror, at)
        level += 10 - 5 - 1
        hear(mirror, at, [6000, level], [at, spent])
      }
      assert.approximately(mirror.gain * 60_000, 3000, 100)
    })

    it("of a full bucket do not count as a low gain", () => {
      const mirror = perMinute(6000)
      for (let at = 0; at < 30_000; at += 1000) hear(mirror, at, [6000, 5999], [at, send(mirror, at)])
      assert.approximately(mirror.gain * 60_000, 6000, 1)
    })

    it("per second count as sixty times as much a minute", () => {
      const mirror = RateMirror.make({ unit: "requests", period: "second" })
      hear(mirror, 0, [10, 9], [0, send(mirror, 0)])
      assert.strictEqual(RateMirror.limit(mirror), 600)
      assert.isFalse(mirror.isDeep)
      assert.isAtMost(sendAll(mirror, 0, 10_000), 101)
    })

    it("of the first limit empty the local bucket, those of another one do not", () => {
      const mirror = perMinute()
      hear(mirror, 0, [6000, 3000], [0, send(mirror, 0)])
      assert.strictEqual(mirror.level, 0)
      RateMirror.advance(mirror, 0, 1)
      RateMirror.advance(mirror, 1000, 1)
      const { level } = mirror
      assert.isAbove(level, 5)
      hear(mirror, 1000, [3000, 1500], [1000, send(mirror, 1000)])
      assert.strictEqual(mirror.level, level - 1)
    })

    it("of the first limit leave the local bucket as it is where the user set one", () => {
      const mirror = perMinute(6000)
      hear(mirror, 0, [6000, 3000], [0, send(mirror, 0)])
      assert.strictEqual(mirror.level, 24)
    })

    it("of the first limit show what others used since the first request", () => {
      const mirror = perMinute()
      const spent = send(mirror, 0)
      for (let i = 1; i < 100; i++) send(mirror, i)
      // Full at the first request, and 200 used a second later by 100 requests: others took as much, and 100 came in.
      hear(mirror, 1000, [6000, 5000], [1000, spent + 99])
      assert.isBelow(mirror.gain, 0.1)
    })

    it("of another limit start from its nominal gain", () => {
      const mirror = perMinute()
      hear(mirror, 0, [6000, 3000], [0, send(mirror, 0)])
      mirror.gain = 0.01
      hear(mirror, 600, [3000, 0], [600, send(mirror, 600)])
      assert.strictEqual(mirror.gain, 0.05)
      assert.strictEqual(RateMirror.limit(mirror), 3000)
    })

    it("that come in quick succession are not learned from", () => {
      const mirror = perMinute()
      hear(mirror, 0, [6000, 3000], [0, send(mirror, 0)])
      hear(mirror, 499, [6000, 1000], [499, send(mirror, 499)])
      assert.strictEqual(mirror.gain, 0.1)
      hear(mirror, 500, [6000, 1000], [500, send(mirror, 500)])
      assert.isBelow(mirror.gain, 0.1)
    })

    it("that stop coming let the learned gain return to the nominal one", () => {
      const mirror = perMinute()
      hear(mirror, 0, [6000, 3000], [0, send(mirror, 0)])
      mirror.gain = 0.01
      for (let at = 0; at <= 5000; at += 1000) RateMirror.advance(mirror, at, 1)
      assert.strictEqual(mirror.gain, 0.01)
      for (let at = 6000; at <= 605_000; at += 1000) RateMirror.advance(mirror, at, 1)
      assert.isAbove(mirror.gain, 0.09)
    })

    it("know what was sent before them", () => {
      const mirror = RateMirror.make({ unit: "requests", period: "minute", spent: 100, firstAt: 0 })
      hear(mirror, 30_000, [600, 500], [0, 100])
      // The first 100 were taken from a full bucket, so that it is as deep as it says.
      assert.isTrue(mirror.isDeep)
    })
  })

  describe("a window that is full again before its period is over", () => {
    it("is followed by its reset, at the pace of its limit", () => {
      const mirror = perMinute()
      hear(mirror, 0, [60, 0, 1000], [0, send(mirror, 0)])
      assert.isTrue(RateMirror.isFast(mirror))
      const count = sendAll(mirror, 0, 60_000)
      assert.isTrue(count >= 58 && count <= 61, String(count))
    })

    it("fills up evenly until its reset, and not further", () => {
      const mirror = perMinute()
      hear(mirror, 0, [60, 30, 1000], [0, send(mirror, 0)])
      const levels = [500, 1000, 5000].map((at) => {
        RateMirror.advance(mirror, at, 1)
        return RateMirror.remaining(mirror)
      })
      assert.deepStrictEqual(levels, [45, 60, 60])
      const short = perMinute()
      hear(short, 0, [6000, 3000, 100], [0, send(short, 0)])
      RateMirror.advance(short, 50, 1)
      assert.strictEqual(RateMirror.remaining(short), 4505)
    })

    it("is one that refills more than twice as fast as its limit", () => {
      const isFast = (resetMillis: number) => {
        const mirror = perMinute()
        hear(mirror, 0, [60, 30, resetMillis], [0, send(mirror, 0)])
        return RateMirror.isFast(mirror)
      }
      // 30 of 60 a minute take 30 seconds.
      assert.deepStrictEqual([14_999, 15_000, 30_000, 0].map(isFast), [true, false, false, false])
    })

    it("is an ordinary one where the reset fits the limit", () => {
      const mirror = perMinute()
      hear(mirror, 0, [60, 0, 60_000], [0, send(mirror, 0)])
      assert.isFalse(RateMirror.isFast(mirror))
    })
  })

  describe("a limit that only refusals report", () => {
    const provisional = (at: number) => {
      const mirror = perMinute()
      mirror.isProvisional = true
      hear(mirror, at, [6000, 0], [at, send(mirror, at)])
      return mirror
    }

    it("rises by 5 % in the first minute, and ever faster", () => {
      const mirror = provisional(0)
      const limits = [1, 2, 3].map((minute) => {
        for (let second = 1; second <= 60; second++) {
          RateMirror.advance(mirror, (minute - 1) * 60_000 + second * 1000, 1)
        }
        return RateMirror.limit(mirror)
      })
      assert.isTrue(limits[0]! > 6300 && limits[0]! < 6600, String(limits))
      assert.isAbove(limits[1]! / limits[0]!, limits[0]! / 6000)
      assert.isAbove(limits[2]! / limits[1]!, limits[1]! / limits[0]!)
    })

    it("is the reported one again after another refusal, and what was learned about it stays", () => {
      const mirror = provisional(0)
      mirror.gain = 0.02
      RateMirror.advance(mirror, 100_000, 1)
      hear(mirror, 100_000, [6000, 0], [100_000, send(mirror, 100_000)])
      assert.strictEqual(RateMirror.limit(mirror), 6000)
      assert.isBelow(mirror.gain, 0.1)
    })

    it("is forgotten when it has grown a hundredfold", () => {
      const mirror = provisional(0)
      RateMirror.advance(mirror, 86_400_000, 1)
      assert.strictEqual(RateMirror.limit(mirror), Infinity)
      assert.strictEqual(RateMirror.wait(mirror, 1e9), 0)
    })

    it("lets a request as large as the bucket through while it grows", () => {
      const mirror = provisional(0)
      assert.isAbove(sendAll(mirror, 0, 60_000, 1000), 3)
    })
  })

  it("starts from an empty bucket after a pause, but keeps a debt", () => {
    const mirror = perMinute(6000)
    RateMirror.drain(mirror)
    assert.strictEqual(mirror.level, 0)
    mirror.level = -5
    RateMirror.drain(mirror)
    assert.strictEqual(mirror.level, -5)
  })

  it("holds up a request for a minute at most where only the server's report is against it", () => {
    const mirror = perMinute()
    hear(mirror, 0, [1, 0], [0, send(mirror, 0)])
    RateMirror.advance(mirror, 1000, 1)
    assert.isAtMost(RateMirror.wait(mirror, 1e6), 59_000)
    RateMirror.advance(mirror, 60_000, 1)
    assert.strictEqual(RateMirror.wait(mirror, 1e6), 0)
  })
})
