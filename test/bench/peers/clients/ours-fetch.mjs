import { Layer } from "effect"
import ours from "./ours.mjs"

export default ours("extract", Layer.empty)
