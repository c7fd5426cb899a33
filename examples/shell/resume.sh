#!/bin/sh
# Extracts people from a file of texts. The command is interrupted, and running it again resumes the batch.
# Without OPENAI_API_KEY and OPENAI_BASE_URL, a simulator answers.
set -u
cd "$(dirname "$0")"
out=$(mktemp -d)
ei="npx effect-instructor"
# In a clone of the project, its own source.
[ -f ../../src/cli/bin.ts ] && ei="node --conditions=effect-instructor/source ../../src/cli/bin.ts"

if [ -z "${OPENAI_API_KEY:-}${OPENAI_BASE_URL:-}" ]; then
  $ei simulate --latency 500ms 2> "$out/simulator" &
  simulator=$!
  trap 'kill $simulator' EXIT
  until grep -q "stop it" "$out/simulator"; do
    kill -0 $simulator || { cat "$out/simulator"; exit 1; }
    sleep 0.1
  done
  OPENAI_BASE_URL=$(sed -n 's/.*OPENAI_BASE_URL=//p' "$out/simulator")
  export OPENAI_BASE_URL
fi

seq -f "Maria is %g years old" 1 60 > "$out/texts.txt"
set -- run --schema person.ts --input "$out/texts.txt" --output "$out/people.jsonl" --concurrency 4

$ei "$@" &
sleep 4
kill -INT $!
wait $!
echo "exit code $?"

$ei "$@" --ordered
echo "exit code $?"
head -n 2 "$out/people.jsonl"
