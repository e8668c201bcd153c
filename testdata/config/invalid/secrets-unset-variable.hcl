destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET"), env("UNSET")] # ERROR: There is no UNSET in the environment. Set it, or give a default: env("UNSET", "…").
}
