//! The real apiserver does what the simulation takes for granted: the same suite passes on its model.

use ess_rollout_test_support::conformity;

use crate::scene::control_plane;

#[tokio::test]
async fn the_apiserver_does_what_its_model_does() {
    let control_plane = control_plane();
    let client = control_plane.client().await.unwrap();
    let namespace = control_plane.kubectl().namespace("conformity").unwrap();
    match conformity::all(&client, &namespace).await {
        Ok(cases) => println!("conformity: cases={cases} on the real apiserver"),
        Err(error) => panic!("{error:#}"),
    }
}
