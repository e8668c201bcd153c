destination "d" {
  url       = "https://example.com/hooks"
  secrets   = [env("SECRET")]
  signature = "githup" # ERROR: Did you mean "github"?
}
