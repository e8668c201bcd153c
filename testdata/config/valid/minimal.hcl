destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

job "j" {
  schedule = "@hourly"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/j"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
