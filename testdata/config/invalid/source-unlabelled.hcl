destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  source { # ERROR: A source block is written source "…" { … }, with one label in quotes after its type
  }
  key = "id"
}
