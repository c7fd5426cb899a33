/** The pages of the site, in the order in which they are read. */
const page = (text: string, link: string) => ({ text, link: `/${link}` })

export const sections = [
  {
    text: "Guide",
    items: [
      page("Start in five minutes", "start"),
      page("Extraction", "extraction"),
      page("Schemas and dialects", "schemas"),
      page("Providers", "providers"),
      page("Batches", "batches"),
      page("Resumable runs", "resumable-runs"),
      page("Streaming", "streaming"),
      page("Rate limits", "rate-limits"),
      page("Caching, cost and budgets", "caching-and-budgets"),
      page("Quality of values", "quality"),
      page("Offline batches", "offline-batches"),
      page("Many machines", "distributed"),
      page("Testing", "testing"),
      page("Reports", "reports")
    ]
  },
  {
    text: "Practice",
    items: [
      page("Recipes", "recipes"),
      page("Coming from elsewhere", "migration"),
      page("Guarantees and limits", "guarantees"),
      page("Security", "security"),
      page("Performance", "performance"),
      page("Questions and answers", "faq"),
      page("For coding agents", "agents")
    ]
  },
  {
    text: "Reference",
    items: [page("The command", "cli"), page("Its options", "cli-reference"), page("API", "api/")]
  }
]
