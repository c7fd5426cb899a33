import * as path from "node:path"
import { defineConfig } from "vitest/config"

const conditions = ["effect-instructor/source", "node", "import", "module", "default"]

/** Tests of processes, browsers, soaks and speed: what takes seconds each, or a machine to itself. */
const endToEnd = "test/**/*.e2e.test.ts"
const never = ["test/bench/**", "test/docs/generated/**"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    root: path.join(import.meta.dirname, ".."),
    // Many tests wait for a process, so half of the processors would leave the other half idle.
    maxWorkers: "100%",
    projects: [
      { extends: true, test: { name: "spec", include: ["test/**/*.test.ts"], exclude: [endToEnd, ...never] } },
      {
        extends: true,
        test: { name: "e2e", include: [endToEnd], exclude: never, globalSetup: "test/support/buildCommand.ts" }
      }
    ],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      // The command runs as processes of their own, in the end-to-end tests.
      exclude: ["src/cli/**"],
      reportsDirectory: "coverage",
      reporter: ["text-summary", "html", "json-summary"],
      thresholds: { statements: 93, branches: 87, functions: 92, lines: 94 }
    }
  }
})
