// Places of persons' joints in the tags of an image: place (n * people + person) * slots + slot of `index` holds a position
// in the image's `size` tags; a negative one, or one beyond them, is a joint that is not there.
fn joint_there(place: u32) -> bool {
  let at = index[place];
  return at >= 0 && u32(at) < params.size;
}
fn tag_place(n: u32, place: u32) -> u32 { return n * params.size + u32(index[place]); }
