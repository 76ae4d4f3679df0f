namespace Linformer.Coordinator.Storage;

/// <summary>The part of a released migration that both kinds of database share; never changed.</summary>
internal static class RollupFill
{
    /// <summary>Fills <c>metric_rollups</c>, which is empty, from <c>metrics</c>.</summary>
    public const string FromMetrics =
        """

        INSERT INTO metric_rollups
        SELECT
            job_id, lineage, generation, 32, step - step % 32, min(step), max(step), max(at), count(*),
            count(CASE WHEN loss BETWEEN -1e300 AND 1e300 THEN loss END), min(CASE WHEN loss BETWEEN -1e300 AND 1e300 THEN loss END), coalesce(sum(CASE WHEN loss BETWEEN -1e300 AND 1e300 THEN loss END), 0), max(CASE WHEN loss BETWEEN -1e300 AND 1e300 THEN loss END),
            count(CASE WHEN learning_rate BETWEEN -1e300 AND 1e300 THEN learning_rate END), min(CASE WHEN learning_rate BETWEEN -1e300 AND 1e300 THEN learning_rate END), coalesce(sum(CASE WHEN learning_rate BETWEEN -1e300 AND 1e300 THEN learning_rate END), 0), max(CASE WHEN learning_rate BETWEEN -1e300 AND 1e300 THEN learning_rate END),
            count(CASE WHEN tokens_per_second BETWEEN -1e300 AND 1e300 THEN tokens_per_second END), min(CASE WHEN tokens_per_second BETWEEN -1e300 AND 1e300 THEN tokens_per_second END), coalesce(sum(CASE WHEN tokens_per_second BETWEEN -1e300 AND 1e300 THEN tokens_per_second END), 0), max(CASE WHEN tokens_per_second BETWEEN -1e300 AND 1e300 THEN tokens_per_second END),
            count(CASE WHEN gradient_norm BETWEEN -1e300 AND 1e300 THEN gradient_norm END), min(CASE WHEN gradient_norm BETWEEN -1e300 AND 1e300 THEN gradient_norm END), coalesce(sum(CASE WHEN gradient_norm BETWEEN -1e300 AND 1e300 THEN gradient_norm END), 0), max(CASE WHEN gradient_norm BETWEEN -1e300 AND 1e300 THEN gradient_norm END),
            count(CASE WHEN held_out_loss BETWEEN -1e300 AND 1e300 THEN held_out_loss END), min(CASE WHEN held_out_loss BETWEEN -1e300 AND 1e300 THEN held_out_loss END), coalesce(sum(CASE WHEN held_out_loss BETWEEN -1e300 AND 1e300 THEN held_out_loss END), 0), max(CASE WHEN held_out_loss BETWEEN -1e300 AND 1e300 THEN held_out_loss END),
            count(CASE WHEN world_size BETWEEN -1e300 AND 1e300 THEN world_size END), min(CASE WHEN world_size BETWEEN -1e300 AND 1e300 THEN world_size END), coalesce(sum(CASE WHEN world_size BETWEEN -1e300 AND 1e300 THEN world_size END), 0), max(CASE WHEN world_size BETWEEN -1e300 AND 1e300 THEN world_size END)
        FROM metrics GROUP BY job_id, lineage, generation, step - step % 32;
        INSERT INTO metric_rollups
        SELECT
            job_id, lineage, generation, 256, from_step - from_step % 256, min(first_step), max(last_step), max(last_at), sum(steps),
            sum(loss_count), min(loss_min), sum(loss_sum), max(loss_max),
            sum(learning_rate_count), min(learning_rate_min), sum(learning_rate_sum), max(learning_rate_max),
            sum(tokens_per_second_count), min(tokens_per_second_min), sum(tokens_per_second_sum), max(tokens_per_second_max),
            sum(gradient_norm_count), min(gradient_norm_min), sum(gradient_norm_sum), max(gradient_norm_max),
            sum(held_out_loss_count), min(held_out_loss_min), sum(held_out_loss_sum), max(held_out_loss_max),
            sum(world_size_count), min(world_size_min), sum(world_size_sum), max(world_size_max)
        FROM metric_rollups WHERE level = 32 GROUP BY job_id, lineage, generation, from_step - from_step % 256;
        INSERT INTO metric_rollups
        SELECT
            job_id, lineage, generation, 2048, from_step - from_step % 2048, min(first_step), max(last_step), max(last_at), sum(steps),
            sum(loss_count), min(loss_min), sum(loss_sum), max(loss_max),
            sum(learning_rate_count), min(learning_rate_min), sum(learning_rate_sum), max(learning_rate_max),
            sum(tokens_per_second_count), min(tokens_per_second_min), sum(tokens_per_second_sum), max(tokens_per_second_max),
            sum(gradient_norm_count), min(gradient_norm_min), sum(gradient_norm_sum), max(gradient_norm_max),
            sum(held_out_loss_count), min(held_out_loss_min), sum(held_out_loss_sum), max(held_out_loss_max),
            sum(world_size_count), min(world_size_min), sum(world_size_sum), max(world_size_max)
        FROM metric_rollups WHERE level = 256 GROUP BY job_id, lineage, generation, from_step - from_step % 2048;

        """;
}
