//! Each request to the apiserver is counted.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::runtime::metrics::Metrics;

/// Counts what is sent, by method and by the code of the answer.
#[derive(Clone)]
pub struct CountedLayer {
    /// Where.
    pub metrics: Arc<Metrics>,
}

impl<S> Layer<S> for CountedLayer {
    type Service = CountedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountedService {
            inner,
            layer: self.clone(),
        }
    }
}

/// See [`CountedLayer`].
#[derive(Clone)]
pub struct CountedService<S> {
    inner: S,
    layer: CountedLayer,
}

impl<S, A, B> Service<Request<A>> for CountedService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (method, metrics) = (request.method().clone(), self.layer.metrics.clone());
        let (began, answer) = (Instant::now(), self.inner.call(request));
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            metrics
                .cluster
                .requested(method.as_str(), code, began.elapsed());
            answer
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::runtime::metrics::Scrape;

    #[tokio::test]
    async fn answers_and_their_absence_are_counted_and_passed_on() {
        let metrics = Arc::new(Metrics::new());
        let apiserver = tower::service_fn(async |request: Request<()>| {
            let mut answer = Response::new(());
            *answer.status_mut() = http::StatusCode::CONFLICT;
            match request.method().as_str() {
                "GET" => Err("it is away"),
                _ => Ok(answer),
            }
        });
        let layer = CountedLayer {
            metrics: metrics.clone(),
        };
        for method in ["GET", "PATCH", "BREW"] {
            let request = Request::builder().method(method).body(()).unwrap();
            let answer = layer.layer(apiserver).oneshot(request).await;
            assert_eq!(answer.is_err(), method == "GET");
        }
        let text = metrics.render(&Scrape::default());
        for labels in [
            r#"code="<error>",method="GET""#,
            r#"code="409",method="PATCH""#,
            r#"code="409",method="other""#,
        ] {
            let line = format!("rest_client_requests_total{{{labels}}} 1");
            assert!(text.contains(&line), "{line} is missing in:\n{text}");
        }
    }
}
