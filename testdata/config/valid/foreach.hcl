destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

job "j" {
  for_each = { eu = "a", us = "b" }
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/${each.value}"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
