destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

job "j" {
  schedule = "0 3 * * *"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/j"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
  event {
    type = "price.literal"
    data = { text = "$${not} %%{a template}" }
  }
}
