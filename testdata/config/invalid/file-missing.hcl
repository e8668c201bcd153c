destination "d" {
  url = file("no-such-file") # ERROR: There is no file "no-such-file" in /
  secrets = [env("SECRET")]
}
