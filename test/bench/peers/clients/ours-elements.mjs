import ours from "./ours.mjs"

export default ours("elements")
