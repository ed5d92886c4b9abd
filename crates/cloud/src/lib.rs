//! The cloud as the operator sees it: a closed set of queries and mutations with typed answers.
