use super::*;

#[test]
fn it_is_compiled() {
    let _ = Classifier::new();
}
