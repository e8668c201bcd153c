destination "d" { # ERROR: The argument "url" is required in destination "d"
  secrets = [env("SECRET")]
}
