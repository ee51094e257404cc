"""llama.cpp's own server with small random models: an endpoint that nobody in this project wrote."""
