namespace Linformer.Coordinator.Storage;

/// <summary>
/// The statements that list jobs, for each order one for the first page and one for those after a place. Each goes along an index of its
/// order, so that a page costs the same wherever it is.
/// </summary>
internal static class JobListSql
{
    // $1 to $3 filter, $4 is the page's size; $5 and $6 are the place after which it begins.
    private const string Filter =
        "WHERE ($1 = 0 OR (1 << phase) & $1 <> 0) AND ($2 = '' OR replace(name, $2, '') <> name) AND ($3 = '' OR submitter = $3) ";

    private static readonly Dictionary<(JobSort, bool Reverse, bool First), string> All = (
        from sort in Enum.GetValues<JobSort>()
        from reverse in (bool[])[false, true]
        from first in (bool[])[false, true]
        select (Key: (sort, reverse, first), Sql: Make(sort, reverse, first))).ToDictionary(one => one.Key, one => one.Sql);

    /// <summary>What comes after the columns.</summary>
    public static string Of(JobFilter filter) => All[(filter.Sort, filter.Reverse, filter.After is null)];

    private static string Make(JobSort sort, bool reverse, bool first)
    {
        var (up, down) = reverse ? ("DESC", "ASC") : ("ASC", "DESC");
        var (more, less) = reverse ? ("<", ">") : (">", "<");
        var after = first ? "" : $"AND ordinal {less} $5 ";
        if (sort == JobSort.Submitted)
            return $"{Filter}{after}ORDER BY ordinal {down} LIMIT $4";
        // The highest priority is first, of the others the lowest value.
        if (sort == JobSort.Priority)
            (up, more) = (down, less);
        var column = sort switch
        {
            JobSort.Name => "name",
            JobSort.Submitter => "submitter",
            JobSort.Phase => "phase",
            _ => "priority",
        };
        // The first comparison alone bounds the search in the index.
        after = first ? "" : $"AND {column} {more}= $6 AND ({column} {more} $6 OR ordinal {less} $5) ";
        return $"{Filter}{after}ORDER BY {column} {up}, ordinal {down} LIMIT $4";
    }
}
