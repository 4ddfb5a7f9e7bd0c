"""What several tests share: models and sounds to test with, plain references to compare with, tolerances."""
