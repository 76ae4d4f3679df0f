using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.CompilerServices;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Tests;

/// <summary>What is marked as immutable is shared between grains: it must not be possible to change it.</summary>
public sealed class ImmutableTests
{
    private static readonly Type[] Values = [typeof(string), typeof(DateTimeOffset), typeof(DateTimeOffset?), typeof(TimeSpan)];

    public static TheoryData<Type> Marked() =>
        [.. typeof(JobView).Assembly.GetTypes().Where(type => type.IsDefined(typeof(ImmutableAttribute), inherit: false))];

    [Theory]
    [MemberData(nameof(Marked))]
    public void Nothing_of_it_can_be_changed(Type type)
    {
        const BindingFlags Own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        foreach (var property in type.GetProperties(Own).Where(property => property.SetMethod is not null))
            property.SetMethod!.ReturnParameter.GetRequiredCustomModifiers().ShouldContain(typeof(IsExternalInit), $"{type.Name}.{property.Name}");
        foreach (var field in type.GetFields(Own))
        {
            IsImmutable(field.FieldType).ShouldBeTrue($"{type.Name}.{field.Name} is a {field.FieldType}");
            (field.IsInitOnly || field.IsDefined(typeof(CompilerGeneratedAttribute))).ShouldBeTrue($"{type.Name}.{field.Name}");
        }
    }

    private static bool IsImmutable(Type type) =>
        type.IsPrimitive || type.IsEnum || Values.Contains(type) || type.IsDefined(typeof(ImmutableAttribute), inherit: false)
        || (Nullable.GetUnderlyingType(type) is { } underlying && IsImmutable(underlying))
        || (type.IsGenericType && type.GetGenericTypeDefinition() is { } generic
            && (generic == typeof(ImmutableArray<>) || generic == typeof(ImmutableDictionary<,>)) && Array.TrueForAll(type.GetGenericArguments(), IsImmutable));
}
