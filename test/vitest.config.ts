import { defineConfig } from "vitest/config"

const conditions = ["effect-instructor/source", "node", "import", "module", "default"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    exclude: ["bench/**", "node_modules/**"]
  }
})
