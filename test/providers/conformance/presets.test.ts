import { presets } from "./subjects.ts"
import { conform } from "./suite.ts"

conform(presets)
