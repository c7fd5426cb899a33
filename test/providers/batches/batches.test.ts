import { vi } from "vitest"
import { subjects } from "./subjects.ts"
import { run } from "./suite.ts"

vi.setConfig({ testTimeout: 60_000 })

for (const subject of subjects) run(subject)
