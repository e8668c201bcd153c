locals {
  hooks = "https://example.com"
}
destination "d" {
  url = local.hook # ERROR: There is no local value "hook". Did you mean "hooks"?
  secrets = [env("SECRET")]
}
