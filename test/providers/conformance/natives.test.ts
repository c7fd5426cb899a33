import { natives } from "./subjects.ts"
import { conform } from "./suite.ts"

conform(natives)
