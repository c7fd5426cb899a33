/** The fiber references through which a batch and a governor talk to each other. They are not public. */
export { CurrentFlow } from "../../src/llm/Priority.ts"
export { CurrentRequestObserver } from "../../src/llm/RequestObserver.ts"
