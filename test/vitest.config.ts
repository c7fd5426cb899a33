import { defineConfig } from "vitest/config"

const conditions = ["effect-instructor/source", "node", "import", "module", "default"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    // Many tests wait for a process, so that half of the processors for them would be little.
    maxWorkers: "100%",
    exclude: ["bench/**", "node_modules/**"]
  }
})
