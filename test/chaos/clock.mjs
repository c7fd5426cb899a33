/** Preloaded into the command: lets its wall clock jump, as a time server or a resumed machine does. */
const jumps = JSON.parse(process.env["CHAOS_CLOCK"] ?? "[]")
const now = Date.now
let offset = 0
for (const { afterMillis, byMillis } of jumps) setTimeout(() => offset += byMillis, afterMillis).unref()
Date.now = () => now() + offset
