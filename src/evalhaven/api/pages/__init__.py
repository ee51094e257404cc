"""The pages for people, as the build of `web/` left them."""
