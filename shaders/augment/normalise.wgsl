// Bytes of a pixel as the networks see them, (byte / 255 - mean) / deviation per channel, and back.
// PARITY: the constants are not reordered for BGR networks (multiaugs D-5).
fn normalised(bytes: vec3<f32>) -> vec3<f32> {
  return (bytes / 255.0 - vec3<f32>(0.485, 0.456, 0.406)) / vec3<f32>(0.229, 0.224, 0.225);
}

// The nearest bytes; exact for what `normalised` made, in half precision too.
fn bytes_of(value: vec3<f32>) -> vec3<u32> {
  let bytes = (value * vec3<f32>(0.229, 0.224, 0.225) + vec3<f32>(0.485, 0.456, 0.406)) * 255.0;
  return vec3<u32>(clamp(round(bytes), vec3<f32>(0.0), vec3<f32>(255.0)));
}
