import { defineConfig } from "vitepress"
import { sections } from "./sections.ts"

export default defineConfig({
  title: "effect-instructor",
  description: "Structured extraction from language models for Effect programs, made for batches",
  lang: "en",
  cleanUrls: false,
  lastUpdated: false,
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: { theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" } },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Start", link: "/start" },
      { text: "Recipes", link: "/recipes" },
      { text: "CLI", link: "/cli" },
      { text: "API", link: "/api/" }
    ],
    sidebar: sections
  }
})
