/**
 * `npm run fuzz:answers -- [seconds] [seed]`: cuts recorded answers at every place, then changes, inserts and deletes
 * characters at random for the rest of the time. Prints how many were read whole, were refused, or were still valid JSON
 * of another value; fails at the first that is read as anything else.
 */
import * as Mutations from "../internal/answer/mutations.ts"

const seconds = Number(process.argv[2] ?? 600)
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000)
const answers = Mutations.recorded()
const end = performance.now() + seconds * 1000
const counts: Record<Mutations.Outcome, number> = { ...Mutations.noOutcomes }

const check = (answer: Mutations.Answer, mutation: Mutations.Mutation): void => {
  const outcome = Mutations.outcome(answer, mutation)
  counts[outcome]++
  if (outcome !== "wrong") return
  console.log(JSON.stringify({ seed, mutation, text: Mutations.apply(answer.text, mutation) }))
  process.exitCode = 1
}

if (answers === undefined) console.log("There is no corpus. Set CORPUS_DIR")
else {
  // The shortest first, so that as many as possible are cut at every place within half of the time.
  let places = 0
  for (const answer of answers.toSorted((a, b) => a.text.length - b.text.length)) {
    if (performance.now() > end - seconds * 500) break
    for (let at = 0; at < answer.text.length; at++) check(answer, { kind: "cut", at, character: "" })
    places += answer.text.length
  }
  const cuts = { ...counts }
  for (const [answer, mutation] of Mutations.random(seed, answers)) {
    if (performance.now() > end || process.exitCode === 1) break
    check(answer, mutation)
  }
  console.log(JSON.stringify({ seed, answers: answers.length, places, cuts, all: counts }, undefined, 2))
}
