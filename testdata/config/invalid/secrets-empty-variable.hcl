destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("EMPTY")] # ERROR: nothing is in the environment variable EMPTY. Make one with: hookbridge secret new
}
